"""RFM: recency, frequency and monetary scores of a member, and the segment they fall into."""
