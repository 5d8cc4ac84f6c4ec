-- Exact unique ids and calls of each hour. FINAL leaves one row of those that were written twice.
SELECT toStartOfHour(minute) AS hour, counter, uniqExact(id) AS ids, sum(count) AS calls
FROM tally.id_counts FINAL
GROUP BY hour, counter
ORDER BY hour, counter
