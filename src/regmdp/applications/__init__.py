"""Models of choice and behaviour that are estimated from data: ``regmdp.choice``, ``regmdp.irl``, ``regmdp.routes``."""
