"""Writes predictions, labels and profiles to Kafka: bundled data, training, simulation, replay."""
