"""Where the master key is, as the settings say."""

from adapters.crypto.local_kms import SCHEME, local_key_management
from adapters.runtime.settings import AWS, Settings
from ports.clock import Clock
from ports.key_management import KeyManagement


def key_management(settings: Settings, clock: Clock) -> KeyManagement:
    """Raises ``adapters.crypto.keyfile.BadKeyFile``."""
    if settings.kms != AWS:
        return local_key_management(settings.master_key_file, clock)
    # Imported here: it is heavy, and who has the key in a file does without.
    from adapters.aws.kms import AwsKeyManagement
    from adapters.crypto.moving import Moving

    aws = AwsKeyManagement(
        settings.aws_kms_key_id,
        settings.previous_aws_kms_key_ids,
        region=settings.aws_region,
        endpoint=settings.aws_kms_endpoint,
    )
    if not settings.has_master_key_file:
        return aws
    files = local_key_management(settings.master_key_file, clock)
    return Moving(aws, files, SCHEME)
