-- Since when a gateway is silent, so that a start knows whom to tell that it is heard again.
ALTER TABLE homes ADD COLUMN silent_since_ms INTEGER;
