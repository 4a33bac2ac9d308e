package sbom

import (
	"fmt"
	"io"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const unknown = "NOASSERTION"

// SPDX writes the document in SPDX 2.3. Licences of modules are not in a program, so none is claimed.
func (p Program) SPDX(w io.Writer) error {
	modules, err := p.modules()
	if err != nil {
		return err
	}
	subject, file := p.subject()
	d := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: subject, DocumentNamespace: home + "/spdx/" + p.id().String(),
		CreationInfo: &spdx.CreationInfo{Created: p.created(), Creators: []common.Creator{{CreatorType: "Organization", Creator: "Coffer"}}},
	}
	program := aPackage("Package-coffer", name, p.Version, p.url())
	program.PackageLicenseConcluded, program.PackageLicenseDeclared = license, license
	program.PrimaryPackagePurpose = "APPLICATION"
	program.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: hash(p.Binary)}}
	described := program.PackageSPDXIdentifier
	if p.FileName != "" {
		archive := aPackage("Package-file", subject, p.Version, "")
		archive.PackageFileName, archive.PrimaryPackagePurpose = subject, "ARCHIVE"
		archive.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: hash(file)}}
		described = archive.PackageSPDXIdentifier
		d.Packages = append(d.Packages, archive)
		d.Relationships = append(d.Relationships, relation(described, "CONTAINS", program.PackageSPDXIdentifier))
	}
	d.Packages = append(d.Packages, program)
	d.Relationships = append(d.Relationships, relation("DOCUMENT", "DESCRIBES", described))
	for i, m := range modules {
		used := aPackage(common.ElementID(fmt.Sprintf("Package-module-%d", i)), m.Path, m.Version, packageURL(m.Path, m.Version))
		d.Packages = append(d.Packages, used)
		d.Relationships = append(d.Relationships, relation(program.PackageSPDXIdentifier, "DEPENDS_ON", used.PackageSPDXIdentifier))
	}
	return encode(w, d)
}

func aPackage(id common.ElementID, name, version, url string) *spdx.Package {
	p := &spdx.Package{
		PackageSPDXIdentifier: id, PackageName: name, PackageVersion: version,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown,
	}
	if url != "" {
		p.PackageExternalReferences = []*spdx.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: url}}
	}
	return p
}

func relation(a common.ElementID, kind string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", string(a)), Relationship: kind, RefB: common.MakeDocElementID("", string(b))}
}
