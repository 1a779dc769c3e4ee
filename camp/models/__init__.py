"""The models: one folder for each, see :mod:`camp.settings.architectures`."""
