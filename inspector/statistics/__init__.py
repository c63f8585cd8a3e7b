"""Pure mathematics: spectra, robust covariance, error rates. Knows no model and no file."""
