"""What users do with any JAX layer, done with the layers here."""
