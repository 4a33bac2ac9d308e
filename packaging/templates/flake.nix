{
  description = "Encrypted secrets manager for the command line";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      version = "@VERSION@";
      archives = {
        x86_64-linux = { platform = "linux_amd64"; sha256 = "@linux_amd64@"; };
        aarch64-linux = { platform = "linux_arm64"; sha256 = "@linux_arm64@"; };
        x86_64-darwin = { platform = "darwin_amd64"; sha256 = "@darwin_amd64@"; };
        aarch64-darwin = { platform = "darwin_arm64"; sha256 = "@darwin_arm64@"; };
      };
      package =
        system: archive:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        pkgs.stdenvNoCC.mkDerivation {
          pname = "coffer";
          inherit version;
          src = pkgs.fetchurl {
            url = "https://github.com/coffer-secrets/coffer/releases/download/v${version}/coffer_${version}_${archive.platform}.tar.gz";
            inherit (archive) sha256;
          };
          sourceRoot = ".";
          nativeBuildInputs = [ pkgs.installShellFiles ];
          dontStrip = true;
          installPhase = ''
            install -Dm755 coffer $out/bin/coffer
            installShellCompletion --cmd coffer --bash completions/coffer.bash --zsh completions/_coffer --fish completions/coffer.fish
            installManPage man/*.gz
          '';
          meta = {
            description = "Encrypted secrets manager for the command line";
            homepage = "https://github.com/coffer-secrets/coffer";
            license = pkgs.lib.licenses.asl20;
            mainProgram = "coffer";
            platforms = [ system ];
          };
        };
    in
    {
      packages = builtins.mapAttrs (system: archive: { default = package system archive; }) archives;
    };
}
