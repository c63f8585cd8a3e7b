"""pytest fixtures for plugin authors; loaded in every pytest run, so nothing heavy up here."""
