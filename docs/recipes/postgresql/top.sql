-- The ten most frequent ids of the last day.
SELECT counter, id, sum(count)::BIGINT AS calls
FROM id_counts
WHERE minute >= (SELECT max(minute) FROM id_counts) - INTERVAL '1 day'
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
LIMIT 10
