// Calls the service through the client that was generated for TypeScript, and prints what it answered.

import { Configuration, OpenInferenceProtocolApi, PredictApi, ReadApi } from "./generated";

async function main(): Promise<void> {
  const settings = new Configuration({ basePath: process.argv[2] });
  const row = { sepal_length: 6.0, sepal_width: 2.7, petal_length: 5.1, petal_width: 1.6 };
  const predicted = await new PredictApi(settings).predictIris({ rows: [row] }, "true");
  const verdict = predicted.data.verdicts[0];
  console.log(`predict: ${verdict.label}, votes: ${verdict.votes.length}`);

  const data = [...Object.values(row), ...Object.values(row)];
  const tensor = { name: "x", shape: [2, 4], datatype: "FP64" as const, data };
  const answer = await new OpenInferenceProtocolApi(settings).inferIris({ inputs: [tensor] });
  console.log(`infer: [${answer.data.outputs[0].data?.join(" ")}]`);

  const read = new ReadApi(settings);
  const rounds = await read.listRounds("iris");
  console.log(`round: ${rounds.data.rounds[0].id === verdict.id}`);
  console.log(`task: ${(await read.getTask("loan_amount")).data.title}`);
  console.log(`nodes: ${(await read.listNodes("iris")).data.nodes.length}`);
  console.log(`block: ${(await read.listBlocks(undefined, 1)).data.blocks[0].height}`);
  console.log(`history: ${(await read.getNodeHistory("iris", "knn")).data.node}`);
  console.log(`stakes: ${(await read.getStakes("iris")).data.nodes.length}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
