// Command kstatus says what Kubernetes' own library makes of objects: a list of them as JSON on standard input,
// one line with status and message for each on standard output.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var objects []interface{}
	// Kubernetes' own JSON: the standard library's would make floats of whole numbers.
	if err := json.Unmarshal(text, &objects); err != nil {
		return err
	}
	for _, object := range objects {
		result, err := status.Compute(&unstructured.Unstructured{Object: object.(map[string]interface{})})
		if err != nil {
			return err
		}
		line, err := json.Marshal([]string{result.Status.String(), result.Message})
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}
