-- Exact unique ids and calls of each day.
SELECT toStartOfDay(minute) AS day, counter, uniqExact(id) AS ids, sum(count) AS calls
FROM tally.id_counts FINAL
GROUP BY day, counter
ORDER BY day, counter
