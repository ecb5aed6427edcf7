"""The bodies of the scripts that workstations are asked by. Windows PowerShell 5.1 is enough for them.

Each puts what it found into ``$answer``; what it could not find out stays ``$null`` and costs the rest
nothing. ``$given`` is what it was asked with. :mod:`workstations.powershell` frames, sends and reads them,
and declares the shape of each answer. They are short: all of a script has to fit into one command line.
"""

# Who has a desktop: the owners of the desktops' shells, those of remote desktops too.
_SESSIONS = r"""
$sessions = $null
try {
  $sessions = @(Get-CimInstance Win32_Process -Filter "Name='explorer.exe'" | ForEach-Object {
    $owner = Invoke-CimMethod -InputObject $_ -MethodName GetOwner
    if ($owner.User) { @{ user = "$($owner.Domain)\$($owner.User)"; session = [int]$_.SessionId } }
  })
} catch { }
"""

SYSTEM_INFO = (
    _SESSIONS
    + r"""
$os = Get-CimInstance Win32_OperatingSystem
$cpus = @(Get-CimInstance Win32_Processor)
$load = ($cpus | Measure-Object LoadPercentage -Average).Average
$answer = @{
  computer = $env:COMPUTERNAME
  os = @{
    name = $os.Caption.Trim(); version = $os.Version; build = [int]$os.BuildNumber
    booted_at = $os.LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'
  }
  cpu = @{
    model = "$($cpus[0].Name)".Trim()
    cores = [int]($cpus | Measure-Object NumberOfCores -Sum).Sum
    threads = [int]($cpus | Measure-Object NumberOfLogicalProcessors -Sum).Sum
    load_percent = if ($null -eq $load) { $null } else { [int]$load }
  }
  memory = @{
    total_bytes = [long]$os.TotalVisibleMemorySize * 1024; free_bytes = [long]$os.FreePhysicalMemory * 1024
  }
  disks = @(Get-CimInstance Win32_LogicalDisk -Filter 'DriveType=3' | ForEach-Object { @{
    name = $_.DeviceID; label = "$($_.VolumeName)"
    total_bytes = [long]$_.Size; free_bytes = [long]$_.FreeSpace
  } })
  sessions = $sessions
}
"""
)

HOST_CHECK = (
    _SESSIONS
    + r"""
$who = [Security.Principal.WindowsIdentity]::GetCurrent()
$admin = [Security.Principal.WindowsBuiltInRole]::Administrator
$quotas = $null
try {
  $quotas = @{}
  'MaxShellsPerUser', 'MaxProcessesPerShell', 'MaxMemoryPerShellMB' | ForEach-Object {
    $quotas[$_] = [long](Get-Item "WSMan:\localhost\Shell\$_").Value
  }
} catch { $quotas = $null }
$service = $null
try {
  $service = @{
    AllowUnencrypted = (Get-Item WSMan:\localhost\Service\AllowUnencrypted).Value -eq 'true'
    Basic = (Get-Item WSMan:\localhost\Service\Auth\Basic).Value -eq 'true'
  }
} catch { }
$found = Test-Path -LiteralPath $given.ldconsole -PathType Leaf
$version = $null
if ($found) { $version = (Get-Item -LiteralPath $given.ldconsole).VersionInfo.FileVersion }
$disk = $null
try {
  $drive = New-Object IO.DriveInfo $given.ldconsole.Substring(0, 1)
  $disk = @{
    name = $drive.Name.Substring(0, 2)
    total_bytes = $drive.TotalSize; free_bytes = $drive.AvailableFreeSpace
  }
} catch { }
$pages = $null
try {
  $nls = Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage
  $pages = @{ ansi = [int]$nls.ACP; oem = [int]$nls.OEMCP }
} catch { }
$answer = @{
  user = $who.Name
  elevated = (New-Object Security.Principal.WindowsPrincipal $who).IsInRole($admin)
  powershell = "$($PSVersionTable.PSVersion)"
  quotas = $quotas
  service = $service
  ldconsole = @{ found = $found; version = $version }
  disk = $disk
  sessions = $sessions
  code_pages = $pages
}
"""
)

EMULATOR_CONFIGS = r"""
$answer = @{ configs = @(
  Get-ChildItem -LiteralPath (Join-Path $given.folder 'vms\config') -Filter 'leidian*.config' |
    Where-Object { $_.BaseName -match '^leidian\d+$' } | ForEach-Object {
      $one = @{ index = [int]($_.BaseName -replace '^leidian') }
      try {
        $said = Get-Content -LiteralPath $_.FullName -Raw -Encoding UTF8 | ConvertFrom-Json
        $one.cpu = $said.'advancedSettings.cpuCount'
        $one.memory_mb = $said.'advancedSettings.memorySize'
        $one.width = $said.'advancedSettings.resolution'.width
        $one.height = $said.'advancedSettings.resolution'.height
        $one.dpi = $said.'advancedSettings.resolutionDpi'
      } catch { $one.fault = "$_" }
      $one
    }
) }
"""

FILE_EXISTS = r"""
$file = Get-Item -LiteralPath $given.path -ErrorAction SilentlyContinue
$is_file = $file -is [IO.FileInfo]
$answer = @{ exists = $is_file; size_bytes = if ($is_file) { $file.Length } else { $null } }
"""

DESKTOP_START = r"""
$where = @{ TaskPath = '\medimgr\'; TaskName = $given.task }
$what = New-ScheduledTaskAction -Execute $given.program -Argument $given.arguments
$who = New-ScheduledTaskPrincipal -UserId $given.user -LogonType Interactive -RunLevel Highest
$how = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries `
  -ExecutionTimeLimit ([TimeSpan]::Zero)
Register-ScheduledTask @where -Action $what -Principal $who -Settings $how -Force | Out-Null
try {
  Start-ScheduledTask @where
  $end = (Get-Date).AddSeconds(5)
  do {
    Start-Sleep -Milliseconds 100
    $result = [long](Get-ScheduledTaskInfo @where).LastTaskResult
  } while ($result -eq 0x41303 -and (Get-Date) -lt $end)
  $answer = @{ result = $result }
} finally { Unregister-ScheduledTask @where -Confirm:$false }
"""
