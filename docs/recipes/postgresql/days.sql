-- Exact unique ids and calls of each day.
SELECT date_trunc('day', minute) AS day, counter, count(DISTINCT id) AS ids, sum(count)::BIGINT AS calls
FROM id_counts
GROUP BY 1, 2
ORDER BY 1, 2
