"""The verb `change`: what became of the lakes between layers of two or more dates."""
