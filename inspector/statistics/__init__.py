"""Pure mathematics of the detectors: spectra, robust covariance, error rates. Knows no model, no file."""
