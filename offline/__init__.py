"""Work on recorded data: data sets from the very stages that run live, labels, training, calibration, export.

Imports stages and the in-memory driver, never the Kafka driver.
"""
