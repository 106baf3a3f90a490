"""What touches lm-eval and the engines it drives."""
