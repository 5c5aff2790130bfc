"""Users: the people of a shop, staff and customers, with their personal data sealed at rest."""
