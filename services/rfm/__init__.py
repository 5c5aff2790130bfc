"""RFM: how recently, how often and for how much each member buys, and the segment that follows."""
