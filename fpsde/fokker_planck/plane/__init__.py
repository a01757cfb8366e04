"""The Fokker-Planck equation of two components: everything that a plane needs beyond lines."""
