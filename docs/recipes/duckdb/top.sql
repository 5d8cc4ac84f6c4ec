-- The ten most frequent ids of the last day.
SELECT counter, id, sum(count)::BIGINT AS calls
FROM id_counts
WHERE minute >= (SELECT max(minute) FROM id_counts) - INTERVAL 1 DAY
GROUP BY ALL
ORDER BY calls DESC, counter, id
LIMIT 10
