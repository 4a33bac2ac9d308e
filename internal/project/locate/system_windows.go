package locate

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/windows"
)

// foreignReason returns why a file or a directory is not the caller's; "" if it is. That of administrators
// and of the system is as good: they may change everything. This is compiled, and not tested.
func foreignReason(path string, _ fs.FileInfo, what string, _ User) (string, error) {
	descriptor, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return "", fmt.Errorf("owner of %s: %w", path, err)
	}
	owner, _, err := descriptor.Owner()
	if err != nil {
		return "", fmt.Errorf("owner of %s: %w", path, err)
	}
	caller, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", fmt.Errorf("user of this process: %w", err)
	}
	if owner.Equals(caller.User.Sid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.IsWellKnown(windows.WinLocalSystemSid) {
		return "", nil
	}
	return what + " belongs to another user", nil
}
