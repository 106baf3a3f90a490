"""How far a judge is to be trusted, and rates corrected for its errors."""
