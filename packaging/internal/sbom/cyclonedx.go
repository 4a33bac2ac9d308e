package sbom

import (
	"io"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// CycloneDX writes the document in CycloneDX 1.6.
func (p Program) CycloneDX(w io.Writer) error {
	modules, err := p.modules()
	if err != nil {
		return err
	}
	subject, file := p.subject()
	program := cdx.Component{
		BOMRef: p.url(), Type: cdx.ComponentTypeApplication, Name: name, Version: p.Version,
		PackageURL: p.url(),
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: license}}},
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hash(p.Binary)}},
	}
	if p.FileName != "" {
		program = cdx.Component{
			BOMRef: subject, Type: cdx.ComponentTypeFile, Name: subject, Version: p.Version,
			Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hash(file)}},
			Components: &[]cdx.Component{program},
		}
	}
	components, dependencies := []cdx.Component{}, []string{}
	for _, m := range modules {
		url := packageURL(m.Path, m.Version)
		components = append(components, cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url})
		dependencies = append(dependencies, url)
	}
	b := cdx.NewBOM()
	b.SerialNumber = p.id().URN()
	b.Metadata = &cdx.Metadata{Timestamp: p.created(), Component: &program}
	b.Components = &components
	b.Dependencies = &[]cdx.Dependency{{Ref: p.url(), Dependencies: &dependencies}}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(b, cdx.SpecVersion1_6)
}
