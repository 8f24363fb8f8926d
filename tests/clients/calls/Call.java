// Calls the service through the client that was generated for Java, and prints what it answered.

import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.api.OpenInferenceProtocolApi;
import org.openapitools.client.api.PredictApi;
import org.openapitools.client.api.ReadApi;
import org.openapitools.client.model.InferenceRequest;
import org.openapitools.client.model.InferenceResponse;
import org.openapitools.client.model.InputTensor;
import org.openapitools.client.model.PredictIrisRequest;
import org.openapitools.client.model.RowIris;
import org.openapitools.client.model.Verdict;

public class Call {
  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.setBasePath(arguments[0]);
    RowIris row = new RowIris().sepalLength(6.0).sepalWidth(2.7).petalLength(5.1).petalWidth(1.6);
    PredictIrisRequest rows = new PredictIrisRequest().addRowsItem(row);
    Verdict verdict = new PredictApi(client).predictIris(rows, "true", null, null).getVerdicts().get(0);
    System.out.println("predict: " + verdict.getLabel() + ", votes: " + verdict.getVotes().size());

    InputTensor tensor = new InputTensor().name("x").shape(List.of(2L, 4L));
    tensor.datatype(InputTensor.DatatypeEnum.FP64).data(List.of(6.0, 2.7, 5.1, 1.6, 6.0, 2.7, 5.1, 1.6));
    InferenceRequest request = new InferenceRequest().addInputsItem(tensor);
    InferenceResponse answer = new OpenInferenceProtocolApi(client).inferIris(request);
    System.out.println("infer: " + answer.getOutputs().get(0).getData());

    ReadApi read = new ReadApi(client);
    String round = read.listRounds("iris", null, null, null, null, null, null, 1L, null).getRounds().get(0).getId();
    System.out.println("round: " + round.equals(verdict.getId()));
    System.out.println("task: " + read.getTask("loan_amount").getTitle());
    System.out.println("nodes: " + read.listNodes("iris").getNodes().size());
    System.out.println("block: " + read.listBlocks(null, 1L).getBlocks().get(0).getHeight());
    System.out.println("history: " + read.getNodeHistory("iris", "knn", null).getNode());
    System.out.println("stakes: " + read.getStakes("iris", null).getNodes().size());
  }
}
