<#
.SYNOPSIS
Prepares a Windows machine once, so that medimgr can work with it over WinRM. Takes back what it did, too.

.DESCRIPTION
Run it in an elevated Windows PowerShell 5.1 on the workstation:

    powershell -ExecutionPolicy Bypass -File windows-setup.ps1 -MedimgrAddress 10.0.0.5
    powershell -ExecutionPolicy Bypass -File windows-setup.ps1 -MedimgrAddress 10.0.0.5 -Https
    powershell -ExecutionPolicy Bypass -File windows-setup.ps1 -Undo

Each step says what it does before it does it, and does nothing where it is done already. What stood there
before is written to C:\ProgramData\medimgr\before.json at the first run; -Undo sets it back from there.
-WhatIf shows the steps without doing any.

.PARAMETER MedimgrAddress
The address, or the addresses, of the machine that medimgr runs on. The firewall lets these alone in.

.PARAMETER User
The account that medimgr logs in with: DOMAIN\name, or name for an account of this machine. It becomes a member
of Administrators, since ldconsole can be run by nobody else. Left out: no account is touched.

.PARAMETER Https
Sets up a listener with TLS on port 5986 as well, with a certificate that this machine signs itself, and
writes that certificate to C:\ProgramData\medimgr\certificate.pem: paste it into "CA certificates" in medimgr.

.PARAMETER Undo
Sets back what the first run has found.
#>
[CmdletBinding(SupportsShouldProcess = $true, DefaultParameterSetName = 'Set')]
param(
    [Parameter(Mandatory = $true, ParameterSetName = 'Set')]
    [string[]] $MedimgrAddress,

    [Parameter(ParameterSetName = 'Set')]
    [string] $User = '',

    [Parameter(ParameterSetName = 'Set')]
    [switch] $Https,

    [Parameter(Mandatory = $true, ParameterSetName = 'Undo')]
    [switch] $Undo
)

$ErrorActionPreference = 'Stop'
$Folder = Join-Path $env:ProgramData 'medimgr'
$BeforeFile = Join-Path $Folder 'before.json'
$PolicyKey = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
$Policy = 'LocalAccountTokenFilterPolicy'
$CertificateName = 'medimgr WinRM'
$Rules = @{ 'medimgr WinRM HTTP' = 5985; 'medimgr WinRM HTTPS' = 5986 }
$BuiltInRules = 'WINRM-HTTP-In-TCP', 'WINRM-HTTP-In-TCP-PUBLIC', 'WINRM-HTTP-In-TCP-NoScope'
# What medimgr needs: shells for its operations, its polling and a check beside each other.
$Quotas = @{ MaxShellsPerUser = 30; MaxProcessesPerShell = 25; MaxMemoryPerShellMB = 1024 }

function Test-Administrator {
    $who = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object Security.Principal.WindowsPrincipal $who
    return $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

function Get-Administrators {
    # By its number: the group has another name in each language of Windows.
    return Get-LocalGroup -SID 'S-1-5-32-544'
}

function Test-Member([string] $Account) {
    $name = $Account.Split('\')[-1]
    $members = @(Get-LocalGroupMember -Group (Get-Administrators) | ForEach-Object { $_.Name.Split('\')[-1] })
    return $members -contains $name
}

function Save-Before {
    if (Test-Path -LiteralPath $BeforeFile) { return }
    $service = Get-Service WinRM
    $before = @{
        StartType = "$($service.StartType)"
        Status = "$($service.Status)"
        Policy = (Get-ItemProperty -Path $PolicyKey -Name $Policy -ErrorAction SilentlyContinue).$Policy
        Listeners = @()
        Quotas = @{}
        Rules = @{}
        MemberAdded = ''
    }
    if ($service.Status -ne 'Running') {
        # What it is set to can be read from the running service alone.
        Set-Service WinRM -StartupType Manual
        Start-Service WinRM
    }
    $before.Listeners = @(Get-ChildItem WSMan:\localhost\Listener | ForEach-Object { $_.Name })
    foreach ($name in $Quotas.Keys) {
        $before.Quotas[$name] = (Get-Item "WSMan:\localhost\Shell\$name").Value
    }
    $before.AllowUnencrypted = (Get-Item WSMan:\localhost\Service\AllowUnencrypted).Value
    $before.Basic = (Get-Item WSMan:\localhost\Service\Auth\Basic).Value
    foreach ($name in $BuiltInRules) {
        $rule = Get-NetFirewallRule -Name $name -ErrorAction SilentlyContinue
        if ($rule) { $before.Rules[$name] = "$($rule.Enabled)" }
    }
    New-Item -ItemType Directory -Force -Path $Folder | Out-Null
    Write-Before $before
}

function Write-Before($Before) {
    ConvertTo-Json $Before -Depth 4 | Set-Content -LiteralPath $BeforeFile -Encoding UTF8
}

function Step([string] $Words, [scriptblock] $Do) {
    # One place says what is done, and lets -WhatIf keep it from being done.
    if ($PSCmdlet.ShouldProcess($env:COMPUTERNAME, $Words)) {
        Write-Host "* $Words"
        & $Do
    }
}

function Set-Up {
    if ($PSCmdlet.ShouldProcess($BeforeFile, 'Note what stands there now, for -Undo')) { Save-Before }

    Step 'Start the service WinRM, now and with Windows' {
        Set-Service WinRM -StartupType Automatic
        Start-Service WinRM
    }

    # Not winrm quickconfig: that opens the firewall for everybody in the subnet.
    Step 'Listen on port 5985, where messages are encrypted by NTLM or Kerberos' {
        $http = Get-ChildItem WSMan:\localhost\Listener | Where-Object { $_.Keys -contains 'Transport=HTTP' }
        if (-not $http) {
            New-Item WSMan:\localhost\Listener -Transport HTTP -Address * -Force | Out-Null
        }
    }

    Step 'Take neither unencrypted messages nor Basic authentication, which sends the password' {
        Set-Item WSMan:\localhost\Service\AllowUnencrypted $false
        Set-Item WSMan:\localhost\Service\Auth\Basic $false
    }

    if ($Https) { Step 'Listen on port 5986 with TLS, by a certificate of this machine' { Add-TlsListener } }

    # Without it, Windows takes an administrator of this machine who comes by network for a plain user.
    # It does not concern accounts of a domain. It lets every local administrator in with all rights: keep
    # their passwords long, and different on each machine.
    Step 'Let administrators of this machine keep their rights when they come by network' {
        New-ItemProperty -Path $PolicyKey -Name $Policy -PropertyType DWord -Value 1 -Force | Out-Null
    }

    Step 'Raise quotas to what medimgr needs; none is lowered' {
        foreach ($name in $Quotas.Keys) {
            $item = Get-Item "WSMan:\localhost\Shell\$name"
            if ([long]$item.Value -lt $Quotas[$name]) {
                Set-Item "WSMan:\localhost\Shell\$name" $Quotas[$name] -WarningAction SilentlyContinue
            }
        }
    }

    if ($User -and -not (Test-Member $User)) {
        Step "Make $User an administrator of this machine, since ldconsole runs for no other" {
            Add-LocalGroupMember -Group (Get-Administrators) -Member $User
            $before = Get-Content -LiteralPath $BeforeFile -Raw -Encoding UTF8 | ConvertFrom-Json
            $before.MemberAdded = $User
            Write-Before $before
        }
    }

    Step "Let in only $($MedimgrAddress -join ', '): Windows' own rules for WinRM are switched off" {
        foreach ($name in $BuiltInRules) {
            Get-NetFirewallRule -Name $name -ErrorAction SilentlyContinue | Disable-NetFirewallRule
        }
        foreach ($name in $Rules.Keys) {
            Remove-NetFirewallRule -DisplayName $name -ErrorAction SilentlyContinue
            if ($Rules[$name] -eq 5985 -or $Https) {
                New-NetFirewallRule -DisplayName $name -Direction Inbound -Protocol TCP `
                    -LocalPort $Rules[$name] -RemoteAddress $MedimgrAddress -Action Allow -Profile Any | Out-Null
            }
        }
    }

    Step 'Restart WinRM, which makes the quotas count' { Restart-Service WinRM -Force }
    Write-Host 'Done. Declare this machine in medimgr, and let it check the host there.'
}

function Add-TlsListener {
    $name = [Net.Dns]::GetHostEntry('').HostName
    $store = 'Cert:\LocalMachine\My'
    $certificate = Get-ChildItem $store | Where-Object {
        $_.FriendlyName -eq $CertificateName -and $_.NotAfter -gt (Get-Date).AddDays(30)
    } | Select-Object -First 1
    if (-not $certificate) {
        $certificate = New-SelfSignedCertificate -DnsName $name, $env:COMPUTERNAME -CertStoreLocation $store `
            -FriendlyName $CertificateName -NotAfter (Get-Date).AddYears(5)
    }
    Get-ChildItem WSMan:\localhost\Listener | Where-Object { $_.Keys -contains 'Transport=HTTPS' } |
        Remove-Item -Recurse -Force
    New-Item WSMan:\localhost\Listener -Transport HTTPS -Address * -Force `
        -CertificateThumbPrint $certificate.Thumbprint | Out-Null
    $lines = [Convert]::ToBase64String($certificate.RawData, 'InsertLineBreaks')
    $file = Join-Path $Folder 'certificate.pem'
    Set-Content -LiteralPath $file -Encoding ASCII `
        -Value "-----BEGIN CERTIFICATE-----`r`n$lines`r`n-----END CERTIFICATE-----"
    Write-Host "  $file is what medimgr has to trust; this machine is called $name there."
}

function Undo-All {
    if (-not (Test-Path -LiteralPath $BeforeFile)) {
        throw "There is no $BeforeFile : this script has changed nothing here."
    }
    $before = Get-Content -LiteralPath $BeforeFile -Raw -Encoding UTF8 | ConvertFrom-Json
    Start-Service WinRM

    Step 'Take the firewall rules of medimgr away and set Windows'' own back' {
        foreach ($name in $Rules.Keys) {
            Remove-NetFirewallRule -DisplayName $name -ErrorAction SilentlyContinue
        }
        foreach ($rule in $before.Rules.PSObject.Properties) {
            if ($rule.Value -eq 'True') { Enable-NetFirewallRule -Name $rule.Name }
        }
    }

    Step 'Take away the listeners and the certificate that were not there before' {
        Get-ChildItem WSMan:\localhost\Listener | Where-Object { $before.Listeners -notcontains $_.Name } |
            Remove-Item -Recurse -Force
        Get-ChildItem Cert:\LocalMachine\My | Where-Object { $_.FriendlyName -eq $CertificateName } |
            Remove-Item
    }

    Step 'Set quotas, encryption and authentication back' {
        foreach ($quota in $before.Quotas.PSObject.Properties) {
            Set-Item "WSMan:\localhost\Shell\$($quota.Name)" $quota.Value -WarningAction SilentlyContinue
        }
        Set-Item WSMan:\localhost\Service\AllowUnencrypted $before.AllowUnencrypted
        Set-Item WSMan:\localhost\Service\Auth\Basic $before.Basic
    }

    Step 'Set the rights of administrators who come by network back' {
        if ($null -eq $before.Policy) {
            Remove-ItemProperty -Path $PolicyKey -Name $Policy -ErrorAction SilentlyContinue
        }
        else {
            Set-ItemProperty -Path $PolicyKey -Name $Policy -Value $before.Policy
        }
    }

    if ($before.MemberAdded) {
        Step "Take $($before.MemberAdded) out of the administrators" {
            Remove-LocalGroupMember -Group (Get-Administrators) -Member $before.MemberAdded
        }
    }

    Step "Set the service WinRM back: $($before.StartType), $($before.Status)" {
        Set-Service WinRM -StartupType $before.StartType
        if ($before.Status -eq 'Running') { Restart-Service WinRM -Force } else { Stop-Service WinRM -Force }
    }

    Step "Forget what stood there before: $BeforeFile" { Remove-Item -LiteralPath $Folder -Recurse -Force }
}

if (-not (Test-Administrator)) { throw 'Run this as administrator: right-click PowerShell, "Run as administrator".' }
if ($Undo) { Undo-All } else { Set-Up }
