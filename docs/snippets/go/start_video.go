// Starts a video from a request file, as `starter.py video request FILE.yaml` prints one, and prints how it ended.
//
//	go get go.temporal.io/sdk && go run start_video.go request.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"go.temporal.io/sdk/client"
)

// The fields this program reads. Optional fields of a request need `omitempty`: Go's zero values are refused.
type videoName struct {
	Channel string `json:"channel"`
	VideoID string `json:"video_id"`
}

type videoResult struct {
	Video struct {
		Key string `json:"key"`
	} `json:"video"`
	TotalCostUSD string `json:"total_cost_usd"`
	Summary      string `json:"summary"`
}

func main() {
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var name videoName
	if err := json.Unmarshal(content, &name); err != nil {
		log.Fatal(err)
	}
	temporal, err := client.Dial(client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS")})
	if err != nil {
		log.Fatal(err)
	}
	defer temporal.Close()

	ctx := context.Background()
	options := client.StartWorkflowOptions{
		ID:        fmt.Sprintf("video/%s/%s", name.Channel, name.VideoID),
		TaskQueue: "studio",
	}
	// json.RawMessage travels as it is. A video that runs already is returned as it runs: a retry is harmless.
	run, err := temporal.ExecuteWorkflow(ctx, options, "VideoWorkflow", json.RawMessage(content))
	if err != nil {
		log.Fatal(err)
	}
	var result videoResult
	if err := run.Get(ctx, &result); err != nil {
		log.Fatal(err) // InvalidRequest: a line for each mistake
	}
	fmt.Println(result.Video.Key, result.TotalCostUSD, result.Summary)
}
