// Calls the service through the client that was generated for Go, and prints what it answered.
package main

import (
	"context"
	"fmt"
	"os"

	concord "github.com/example/concord"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	settings := concord.NewConfiguration()
	settings.Servers = concord.ServerConfigurations{{URL: os.Args[1]}}
	client, ctx := concord.NewAPIClient(settings), context.Background()

	rows := concord.NewPredictIrisRequest([]concord.RowIris{*concord.NewRowIris(6.0, 2.7, 5.1, 1.6)})
	predicted, _, err := client.PredictAPI.PredictIris(ctx).PredictIrisRequest(*rows).Recorded("true").Execute()
	check(err)
	verdict := predicted.Verdicts[0]
	fmt.Printf("predict: %s, votes: %d\n", verdict.GetLabel(), len(verdict.Votes))

	tensor := concord.NewInputTensor("x", []int64{2, 4}, "FP64")
	tensor.Data = []interface{}{6.0, 2.7, 5.1, 1.6, 6.0, 2.7, 5.1, 1.6}
	request := concord.NewInferenceRequest([]concord.InputTensor{*tensor})
	answer, _, err := client.OpenInferenceProtocolAPI.InferIris(ctx).InferenceRequest(*request).Execute()
	check(err)
	fmt.Println("infer:", answer.Outputs[0].Data)

	rounds, _, err := client.ReadAPI.ListRounds(ctx).Task("iris").Limit(1).Execute()
	check(err)
	fmt.Println("round:", rounds.Rounds[0].Id == verdict.Id)
	task, _, err := client.ReadAPI.GetTask(ctx, "loan_amount").Execute()
	check(err)
	fmt.Println("task:", task.Title)
	nodes, _, err := client.ReadAPI.ListNodes(ctx).Task("iris").Execute()
	check(err)
	fmt.Println("nodes:", len(nodes.Nodes))
	blocks, _, err := client.ReadAPI.ListBlocks(ctx).Limit(1).Execute()
	check(err)
	fmt.Println("block:", blocks.Blocks[0].Height)
	history, _, err := client.ReadAPI.GetNodeHistory(ctx, "iris", "knn").Execute()
	check(err)
	fmt.Println("history:", history.Node)
	stakes, _, err := client.ReadAPI.GetStakes(ctx, "iris").Execute()
	check(err)
	fmt.Println("stakes:", len(stakes.Nodes))
}
