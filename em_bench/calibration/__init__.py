"""How far to trust a judge, and rates corrected for its errors."""
