"""What recurrent networks can compute: networks that are built, not trained."""
