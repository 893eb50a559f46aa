"""Users, organizations, teams and robot accounts."""
