CREATE TABLE events (
    id BIGINT,
    `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR `at` AS `at` - INTERVAL '2' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'events',
    'properties.bootstrap.servers' = '${BROKERS}',
    'properties.group.id' = 'flink',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

CREATE TABLE minutes (
    `minute` STRING,
    `unique` BIGINT,
    `total` BIGINT
) WITH (
    'connector' = 'kafka',
    'topic' = 'flink-counts',
    'properties.bootstrap.servers' = '${BROKERS}',
    'properties.transaction.timeout.ms' = '600000',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'flink-minutes',
    'format' = 'json'
);

INSERT INTO minutes
SELECT DATE_FORMAT(window_start, 'yyyyMMddHHmm'), COUNT(DISTINCT id), COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(`at`), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
