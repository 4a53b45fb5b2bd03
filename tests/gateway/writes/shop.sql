CREATE SCHEMA shop;
SET search_path = shop;
CREATE TABLE orders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code text UNIQUE, amount numeric,
  made_at timestamptz DEFAULT current_timestamp, changed_at timestamptz, twice numeric GENERATED ALWAYS AS (amount * 2) STORED
);
CREATE TABLE items (
  order_id uuid REFERENCES orders DEFERRABLE INITIALLY DEFERRED, line int, sku text, pieces int, PRIMARY KEY (order_id, line)
);
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, why text, at timestamp DEFAULT now());
CREATE TABLE history (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), copy jsonb, at timestamptz DEFAULT now());
CREATE TABLE stock (sku text PRIMARY KEY, left_over int, sold_at timestamptz);
INSERT INTO stock SELECT 'S' || n, 10 FROM generate_series(1, 3) n;
CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN new.changed_at := now(); RETURN new; END $$;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION changed();
CREATE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO shop.history (copy) VALUES (to_jsonb(new)); RETURN NULL; END $$;
CREATE TRIGGER copied AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION copied();
RESET search_path;
