-- Exact unique ids and calls of each hour.
SELECT date_trunc('hour', minute) AS hour, counter, count(DISTINCT id) AS ids, sum(count)::BIGINT AS calls
FROM id_counts
GROUP BY 1, 2
ORDER BY 1, 2
