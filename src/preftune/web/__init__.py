"""The web application: people label in it, leads watch, adjudicate and export."""
