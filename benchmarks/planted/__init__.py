"""Defects planted into right codes (43 from reports on real ones), and right codes that look unusual."""
