// Package tally counts ids with Tally, many at a time.
package tally

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	most         = 1000
	gather       = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Lost is told of ids that were not counted, or perhaps not.
type Lost func(ids []int64, reason string)

// Client sends what Count was given, from a goroutine of its own. Its channel bounds what waits.
type Client struct {
	url  string
	http http.Client
	ids  chan int64
	lost Lost
	done sync.WaitGroup
}

// New makes a client, which holds up to capacity ids.
func New(url string, capacity int, lost Lost) *Client {
	c := &Client{url: url + "/api/v1/accept/", ids: make(chan int64, capacity), lost: lost}
	c.http.Timeout = 10 * time.Second
	c.done.Add(1)
	go c.run()
	return c
}

// Count has an id counted once. It waits while there is no room, until ctx ends.
func (c *Client) Count(ctx context.Context, id int64) error {
	select {
	case c.ids <- id:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close sends what waits, and returns when all of it is settled.
func (c *Client) Close() {
	close(c.ids)
	c.done.Wait()
}

func (c *Client) run() {
	defer c.done.Done()
	for {
		batch := c.next()
		if len(batch) == 0 {
			return
		}
		pause := 200 * time.Millisecond
		for len(batch) > 0 {
			again, wait := c.send(batch)
			if wait == 0 && len(again) > 0 {
				wait, pause = pause, min(2*pause, longestPause)
			}
			time.Sleep(wait)
			batch = again
		}
	}
}

// next waits for an id, and gathers more for a moment.
func (c *Client) next() []int64 {
	first, open := <-c.ids
	if !open {
		return nil
	}
	batch, over := []int64{first}, time.After(gather)
	for len(batch) < most {
		select {
		case id, open := <-c.ids:
			if !open {
				return batch
			}
			batch = append(batch, id)
		case <-over:
			return batch
		}
	}
	return batch
}

// send returns the ids that were surely not counted and are to be sent again, after a pause if Tally names one.
func (c *Client) send(ids []int64) ([]int64, time.Duration) {
	body, _ := json.Marshal(map[string][]int64{"ids": ids})
	answer, err := c.http.Post(c.url, "application/json", bytes.NewReader(body))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" { // nobody listens, so nobody has heard of them
			return ids, 0
		}
		c.lost(ids, fmt.Sprintf("unknown: %v", err))
		return nil, 0
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var problem struct{ Refused *[]int64 }
	switch {
	case answer.StatusCode == http.StatusOK:
		return nil, 0
	case answer.StatusCode == http.StatusServiceUnavailable && err == nil &&
		json.Unmarshal(text, &problem) == nil && problem.Refused != nil:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return *problem.Refused, time.Duration(max(seconds, 1)) * time.Second
	case answer.StatusCode < 500:
		c.lost(ids, fmt.Sprintf("rejected: %d %s", answer.StatusCode, text))
	default:
		c.lost(ids, fmt.Sprintf("unknown: %d %s", answer.StatusCode, text))
	}
	return nil, 0
}
