package main

import (
	"context"
	"log"
	"os"

	"example.com/caller/tally"
)

func main() {
	client, err := tally.NewClientWithResponses(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	body := tally.AcceptBatchJSONRequestBody{Ids: []int64{9007199254740993, 43, 43}}
	answer, err := client.AcceptBatchWithResponse(context.Background(), body)
	if err != nil {
		log.Fatal(err)
	}
	if answer.JSON200 == nil || answer.JSON200.Accepted != 3 {
		log.Fatal(answer.Status())
	}
}
