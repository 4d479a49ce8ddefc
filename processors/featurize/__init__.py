"""Bars to feature rows: ``stage`` runs the indicators of ``kernel`` that ``program`` binds to the schema."""
