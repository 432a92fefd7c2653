// Command registry is the distribution project's registry with what a test of it needs: images in
// a folder, and who may have them in a file of htpasswd's. Stores of cloud providers are left out.
//
//	registry serve CONFIG.yaml
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if registry.RootCmd.Execute() != nil {
		os.Exit(1)
	}
}
