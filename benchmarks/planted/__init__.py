"""Defects of real codes, planted into right ones, and right codes that look unusual, each with its audit."""
