"""Steps that the voting app alone needs: its page, votes, stores and feature flag."""
