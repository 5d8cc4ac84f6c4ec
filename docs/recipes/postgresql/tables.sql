-- What is kept: each id once a minute.
CREATE TABLE id_counts (
    minute timestamp,
    counter text,
    id text,
    count bigint NOT NULL,
    PRIMARY KEY (minute, counter, id)
);

-- What Kafka Connect writes to: each record as it is. None stays here.
CREATE TABLE id_count_records (record jsonb);

CREATE FUNCTION keep_id_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO id_counts VALUES (
        to_timestamp((NEW.record ->> 'minute') || '+00', 'YYYYMMDDHH24MITZH') AT TIME ZONE 'UTC',
        coalesce(NEW.record ->> 'counter', ''),
        NEW.record ->> 'id',
        (NEW.record ->> 'count')::bigint
    ) ON CONFLICT DO NOTHING;  -- Kafka Connect brings a record again where it was killed
    RETURN NULL;
END
$$;

CREATE TRIGGER keep BEFORE INSERT ON id_count_records FOR EACH ROW EXECUTE FUNCTION keep_id_count();
