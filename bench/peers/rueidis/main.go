// What a good Go service would do: net/http, and rueidis, whose automatic pipelining sends together what is asked
// at the same time. One INCR a call; neither unique nor safe.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

func main() {
	address, redis := os.Args[1], os.Args[2]
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}, DisableCache: true})
	if err != nil {
		log.Fatal(err)
	}
	accept := func(answer http.ResponseWriter, call *http.Request) {
		id, err := strconv.ParseInt(call.URL.Query().Get("id"), 10, 64)
		if err != nil {
			http.Error(answer, "failed", http.StatusBadRequest)
			return
		}
		key := time.Now().UTC().Format("200601021504_") + strconv.FormatInt(id, 10)
		if err := client.Do(context.Background(), client.B().Incr().Key(key).Build()).Error(); err != nil {
			http.Error(answer, "failed", http.StatusServiceUnavailable)
			return
		}
		answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = answer.Write([]byte("ok"))
	}
	http.HandleFunc("/api/verve/accept", accept)
	log.Fatal(http.ListenAndServe(address, nil))
}
