"""Points: who earned how many, why, and what is left. The ledger lives here."""
