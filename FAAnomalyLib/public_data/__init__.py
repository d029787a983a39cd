"""Published data sets, from the folders as they are downloaded to what is trained on and evaluated."""
