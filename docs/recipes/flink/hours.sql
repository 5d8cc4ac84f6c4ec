CREATE TABLE id_counts (
    `minute` STRING,
    counter STRING,
    id STRING,
    `count` BIGINT
) WITH (
    'connector' = 'kafka',
    'topic' = 'id-counts',
    'properties.bootstrap.servers' = '${BROKERS}',
    'properties.group.id' = 'flink',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE hourly_counts (
    `hour` STRING,
    counter STRING,
    ids BIGINT,
    calls BIGINT,
    PRIMARY KEY (`hour`, counter) NOT ENFORCED
) WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'hourly-counts',
    'properties.bootstrap.servers' = '${BROKERS}',
    'properties.transaction.timeout.ms' = '600000',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'flink-hours',
    'key.format' = 'json',
    'value.format' = 'json'
);

INSERT INTO hourly_counts
SELECT SUBSTRING(`minute` FROM 1 FOR 10), COALESCE(counter, ''), COUNT(DISTINCT id), SUM(`count`)
FROM id_counts
GROUP BY SUBSTRING(`minute` FROM 1 FOR 10), COALESCE(counter, '');
