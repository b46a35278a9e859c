"""What the bundled rails share: storage, the three HTTP faces and the webhooks. It knows no rail by name."""
