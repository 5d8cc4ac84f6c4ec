-- The ten most frequent ids of the last day.
SELECT counter, id, sum(count) AS calls
FROM tally.id_counts FINAL
WHERE minute >= (SELECT max(minute) FROM tally.id_counts) - INTERVAL 1 DAY
GROUP BY counter, id
ORDER BY calls DESC, counter, id
LIMIT 10
